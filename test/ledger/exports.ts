/** Exports as the consoles of OpenAI and Anthropic write them: their columns, invented figures. */
const DAY_1 = Date.UTC(2026, 10, 20) / 1_000

export const OPENAI_USAGE = `start_time,end_time,start_time_iso,end_time_iso,project_id,num_model_requests,user_id,api_key_id,model,batch,service_tier,input_tokens,output_tokens,input_cached_tokens,input_uncached_tokens,input_audio_tokens,output_audio_tokens
${DAY_1},${DAY_1 + 60},2026-11-20T00:00:00+00:00,2026-11-20T00:01:00+00:00,proj_1,3.0,,key_1,gpt-5-2025-08-07,False,default,4212,1673,1280,2932,0,0
${DAY_1},${DAY_1 + 60},2026-11-20T00:00:00+00:00,2026-11-20T00:01:00+00:00,proj_1,2.0,,key_2,gpt-5-2025-08-07,False,default,1000,100,0,1000,0,0
${DAY_1 + 60},${DAY_1 + 120},2026-11-20T00:01:00+00:00,2026-11-20T00:02:00+00:00,,,,,,,,,,,,,
${DAY_1 + 86_400},${DAY_1 + 86_460},2026-11-21T00:00:00+00:00,2026-11-21T00:01:00+00:00,proj_1,1.0,,key_1,gpt-5-mini,False,default,10,20,0,10,0,0
`

export const OPENAI_COST = `\uFEFFstart_time,end_time,start_time_iso,end_time_iso,amount_value,amount_currency,quantity,quantity_unit,line_item,user_id,api_key_id,project_id,organization_id,project_name,organization_name,user_email,api_source\r
${DAY_1},${DAY_1 + 86_400},2026-11-20T00:00:00,2026-11-21T00:00:00,0.003835980000000000000000000000,usd,1000,tokens,"gpt-5-nano, input_tokens",,key_1,proj_a,org-1,"Proj, ""A""",Org,a@example.com,\r
${DAY_1},${DAY_1 + 86_400},2026-11-20T00:00:00,2026-11-21T00:00:00,0.5,usd,,,"gpt-5-nano, output_tokens",,key_1,proj_a,org-1,Proj,Org,,\r
${DAY_1 + 86_400},${DAY_1 + 172_800},2026-11-21T00:00:00,2026-11-22T00:00:00,,,,,,,,,,,,,\r
`

export const ANTHROPIC_USAGE = `usage_date_utc,model_version,api_key,workspace,usage_type,context_window,usage_input_tokens_no_cache,usage_input_tokens_cache_write_5m,usage_input_tokens_cache_write_1h,usage_input_tokens_cache_read,usage_output_tokens,web_search_count,inference_geo,speed
2026-11-20,claude-sonnet-4-5-20250929,"Closer, App",Default,standard,≤ 200k,46981,15969,7,3,16932,0,global,
2026-11-20,claude-sonnet-4-5-20250929,other,Default,standard,> 200k,19,0,0,0,68,0,global,
2026-11-21,claude-haiku-4-5-20251001,other,Default,standard,≤ 200k,5,0,0,0,6,0,global,
`

export const ANTHROPIC_COST = `usage_date_utc,model,workspace,api_key,usage_type,context_window,token_type,cost_usd,list_price_usd,cost_type,inference_geo,speed,api_key_id,api_key_status
2026-11-20,Claude Haiku 4.5,Default,demo,message,≤ 200k,input_no_cache,0.05,0.05,token,not_available,,apikey_01AAA,archived
2026-11-20,Claude Haiku 4.5,Default,demo,message,≤ 200k,output,0.02,0.02,token,not_available,,apikey_01AAA,archived
`
